"""Six small autoencoders that differ in how they upsample: their artifacts stand in for those of generators.

Every generator that decodes a latent image upsamples it, and each way of upsampling leaves its own pattern (Odena et
al. 2016; Zhang et al. 2019, AutoGAN, who also simulate fakes with autoencoders).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from authenticity_photos import Image
from torch import nn
from torch.nn import functional as F

from tithe import storage
from tithe.errors import TitheError

_WIDTHS = (32, 64, 96)  # channels after each halving
_LATENT = 12  # channels of the latent image; one of its pixels covers 8 × 8
_PATCH, _BATCH = 64, 16
_LEAST = 22.0  # dB; below it, training has failed
_RATE, _LARGEST = 2e-3, 0.1  # learning rate, and largest gradient norm: without it some trainings collapse
_PRIOR = 1e-5  # weight of the variational term, per pixel of the latent image


def _transposed4(channels: int, out: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1)


def _transposed3(channels: int, out: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, out, 3, stride=2, padding=1, output_padding=1)


def _nearest(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, out, 3, padding=1))


def _bilinear(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(channels, out, 3, padding=1))


def _pixel_shuffle(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4 * out, 3, padding=1), nn.PixelShuffle(2))


# Name: the upsampling layer and the family.
UPSAMPLERS: dict[str, tuple[Callable[[int, int], nn.Module], str]] = {
    "transposed4": (_transposed4, "transposed"),
    "bilinear": (_bilinear, "interpolated"),
    "pixel_shuffle": (_pixel_shuffle, "shuffled"),
    "transposed3": (_transposed3, "transposed"),
    "nearest": (_nearest, "interpolated"),
    "vae": (_nearest, "variational"),
}


class Autoencoder(nn.Module):
    """Three halvings and three doublings; `vae` samples its latent image in training and later decodes its mean."""

    def __init__(self, name: str) -> None:
        super().__init__()
        upsample, (a, b, c) = UPSAMPLERS[name][0], _WIDTHS
        self.variational = name == "vae"
        self.encoder = nn.Sequential(
            *(nn.Conv2d(3, a, 4, stride=2, padding=1), nn.SiLU()),
            *(nn.Conv2d(a, b, 4, stride=2, padding=1), nn.SiLU()),
            *(nn.Conv2d(b, c, 4, stride=2, padding=1), nn.SiLU()),
            nn.Conv2d(c, _LATENT * (1 + self.variational), 3, padding=1),
        )
        self.decoder = nn.Sequential(
            *(nn.Conv2d(_LATENT, c, 3, padding=1), nn.SiLU()),
            *(upsample(c, b), nn.SiLU()),
            *(upsample(b, a), nn.SiLU()),
            *(upsample(a, a // 2), nn.SiLU()),
            nn.Conv2d(a // 2, 3, 3, padding=1),
        )

    def forward(self, x_BCHW: torch.Tensor, noise: torch.Generator | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the reconstruction and the divergence of the latent image from the prior, 0 if not variational."""
        mean = self.encoder(x_BCHW)
        if not self.variational:
            return self.decoder(mean), mean.new_zeros(())
        mean, log_variance = mean.chunk(2, dim=1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        if noise is not None:
            mean = mean + (log_variance / 2).exp() * torch.empty_like(mean).normal_(generator=noise)
        return self.decoder(mean), divergence


def trained(name: str, images: Sequence[Image], steps: int, seed: int, path: Path) -> Autoencoder:
    """Return an autoencoder trained on these images, from its file if there is one.

    Raises
    ------
    TitheError
        It does not reconstruct them well enough.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Autoencoder(name)
    if not path.exists():
        _train(model, images, steps, seed)
        if (quality := _quality(model, images)) < _LEAST:
            raise TitheError(
                f"{name} reconstructs at {quality:.1f} dB, but {_LEAST:.0f} are needed: choose another seed"
            )
        with storage.atomic_file(path) as aside:
            torch.save(model.state_dict(), aside)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def _train(model: Autoencoder, images: Sequence[Image], steps: int, seed: int) -> None:
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in range(steps):
        x_BCHW = _tensor([_patch(images[int(rng.integers(len(images)))], rng) for _ in range(_BATCH)])
        made_BCHW, divergence = model(x_BCHW, noise)
        loss = F.l1_loss(made_BCHW, x_BCHW) + _PRIOR * divergence
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), _LARGEST)
        optimizer.step()
        schedule.step()


def _quality(model: Autoencoder, images: Sequence[Image]) -> float:
    """Return the mean PSNR of one corner of each image, in dB."""
    corners = [image[: 2 * _PATCH, : 2 * _PATCH] for image in images]
    return statistics.mean(psnr(corner, reconstruct(model, corner)) for corner in corners)


def _patch(image: Image, rng: np.random.Generator) -> Image:
    y, x = (int(rng.integers(side - _PATCH + 1)) for side in image.shape[:2])
    return image[y : y + _PATCH, x : x + _PATCH]


def _tensor(images: Sequence[Image]) -> torch.Tensor:
    x_BHWC = torch.from_numpy(np.stack(images))
    return x_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def reconstruct(model: Autoencoder, image: Image) -> Image:
    """Return the autoencoder's reconstruction of an image whose sides are multiples of 8."""
    made_BCHW: Any = model(_tensor([image]))[0]
    made: Image = ((made_BCHW[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return made


def psnr(a: Image, b: Image) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = float(((a.astype(np.float32) - b) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf
