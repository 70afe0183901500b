"""The spectral branch: periodic traces of upsampling, as peaks and decay of the spectrum (Durall et al. 2020).

Everything before the first convolution is float32, under autocast too: an FFT in half precision needs sizes that are
powers of two and gives NaN, and bf16 has too few bits for it.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from tithe.models.forensics.blocks import WIDTH, Trunk
from tithe.models.forensics.residuals import high_pass

BINS = 128
# Amplitudes below it, in units of a pixel's range, are rounding errors: 8-bit quantisation adds ten times as much.
_FLOOR = 1e-4
# A map with a smaller range, in nats, has no information; stretching it would only amplify rounding errors.
_LEAST_RANGE = 0.1
_PERCENTILES = (0.05, 0.95)
_SAMPLES = 4096


class Spectral(nn.Module):
    """A residual network on the log spectra of the color channels and of their high-pass, and a radial profile."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(6, 24, ((24, 1), (48, 1), (96, 1), (144, 1)))
        self.profile = nn.Sequential(nn.Linear(BINS, BINS), nn.GELU(), nn.Linear(BINS, WIDTH))

    def forward(self, images_B3HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a map, shape (B, 192, ⌈H / 16⌉, ⌈V / 16⌉) with V = ⌊W / 2⌋ + 1, and a token, shape (B, 1, 192).

        Images are in [0, 1].
        """
        with torch.autocast(images_B3HW.device.type, enabled=False):
            colors = log_spectrum(images_B3HW)
            spectra = clipped(torch.cat([colors, log_spectrum(high_pass(images_B3HW))], dim=1))
            profile_BK = radial_profile(colors.mean(1), width=images_B3HW.shape[-1])
        return self.trunk(spectra), self.profile(profile_BK)[:, None]


def log_spectrum(x: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the amplitudes of real planes without their means, shape (..., H, ⌊W / 2⌋ + 1).

    The other half of the plane is its mirror image. Vertical frequencies rise from the top row to the bottom one.
    """
    spectrum = torch.fft.rfft2(x - x.mean((-2, -1), keepdim=True), norm="ortho")
    power = spectrum.real.square() + spectrum.imag.square() + _FLOOR**2
    shifted: torch.Tensor = torch.fft.fftshift(power.log() / 2, dim=-2)
    return shifted


def clipped(x_BCHW: torch.Tensor) -> torch.Tensor:
    """Clip each plane at its 5th and 95th percentile and stretch what is left to [-1, 1].

    The percentiles are estimated from every n-th value, at least 4096 of them if there are as many: the error of a rank
    is then 0.003, and sorting all values of a large plane would take longer than its transform.
    """
    flat_BCN, width = x_BCHW.detach().flatten(2), x_BCHW.shape[-1]
    most = max(flat_BCN.shape[2] // _SAMPLES, 1)
    step = next(
        n for n in range(most, 0, -1) if math.gcd(n, width) == 1
    )  # else the sample would contain only a few columns
    ordered_BCS = flat_BCN[..., ::step].sort(dim=2).values
    last = ordered_BCS.shape[2] - 1
    low, high = (ordered_BCS[..., round(share * last), None, None] for share in _PERCENTILES)
    return ((x_BCHW - low) / (high - low).clamp(min=_LEAST_RANGE)).clamp(0, 1) * 2 - 1


def radial_profile(spectrum_BHV: torch.Tensor, width: int) -> torch.Tensor:
    """Return the mean of a logarithmic spectrum in 128 rings, shape (B, 128), standardised for each image.

    Ring k contains the frequencies from k/128 to (k + 1)/128 of √½ cycles per pixel, the highest frequency. A ring
    without frequencies, in a small image, is 0, the mean of the others.

    Parameters
    ----------
    spectrum_BHV
        From `log_spectrum`.
    width
        Width of the image, in pixels.
    """
    ring_N = _rings(spectrum_BHV.shape[1], width, spectrum_BHV.device)
    flat_BN = spectrum_BHV.flatten(1)
    count_K = torch.zeros_like(ring_N[:1]).expand(BINS).index_add(0, ring_N, torch.ones_like(ring_N))
    sum_BK = flat_BN.new_zeros(flat_BN.shape[0], BINS).index_add(1, ring_N, flat_BN)
    filled_K = count_K > 0
    mean_BK = sum_BK / count_K.clamp(min=1)
    centred_BK = (mean_BK - mean_BK.sum(1, keepdim=True) / filled_K.sum()) * filled_K
    variance_B1 = centred_BK.square().sum(1, keepdim=True) / filled_K.sum()
    return centred_BK / (variance_B1 + _LEAST_RANGE**2).sqrt()


def _rings(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return the ring of each frequency, shape (H · V,)."""
    # `fftshift(fftfreq(height))` and `rfftfreq(width)` to the bit, in operations that ONNX has.
    vertical_H = (torch.arange(height, device=device) - height // 2) * (1 / height)
    horizontal_V = torch.arange(width // 2 + 1, device=device) * (1 / width)
    radius_HV: torch.Tensor = (vertical_H[:, None].square() + horizontal_V.square()).sqrt()
    return (radius_HV * (BINS * math.sqrt(2))).long().clamp(max=BINS - 1).flatten()
