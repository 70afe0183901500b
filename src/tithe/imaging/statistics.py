"""Plain statistics of an image, in which many generators differ from cameras: what a detector must know more than.

The mean log-magnitude of each 8 × 8 DCT coefficient, the radial profile of the log spectrum, and how the high-pass
residual differs among the four phases of the 2 × 2 grid.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.imaging import Pixels
from tithe.imaging.backends import opencv

LEAST = 8  # pixels of a side
_RINGS = 64
_SECOND_DERIVATIVE = np.array([[1, -2, 1]], np.float32)


def plain(image_HW3: Pixels) -> Array:
    """Return the statistics of an image of at least 8 × 8 pixels, float64, shape (F,); F is the same for all images."""
    cv2 = opencv()
    grey_HW = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.concatenate([_cosines(grey_HW), _rings(grey_HW), _phases(image_HW3)])


def _cosines(grey_HW: Array) -> Array:
    from scipy import fft

    height, width = (side - side % 8 for side in grey_HW.shape)
    blocks = grey_HW[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
    magnitude = np.abs(fft.dctn(blocks, axes=(2, 3), norm="ortho"))
    return np.asarray(np.log(magnitude + 0.5).mean(axis=(0, 1)).ravel())


def _rings(grey_HW: Array) -> Array:
    from scipy import fft

    height, width = grey_HW.shape
    window_HW = np.hanning(height)[:, None] * np.hanning(width)
    log_HW = np.log(np.abs(fft.fft2((grey_HW - grey_HW.mean()) * window_HW)) + 1.0)
    radius_HW = np.hypot(fft.fftfreq(height)[:, None], fft.fftfreq(width))
    ring_HW = np.minimum((radius_HW * 2 * _RINGS).astype(int), _RINGS)  # the last ring is the corners
    rows_R = np.bincount(ring_HW.ravel(), minlength=_RINGS + 1)
    return np.bincount(ring_HW.ravel(), log_HW.ravel(), _RINGS + 1) / np.maximum(rows_R, 1)


def _phases(image_HW3: Pixels) -> Array:
    """Log residual of each phase of the 2 × 2 grid against their mean, for each channel, along rows and columns."""
    cv2, parts = opencv(), []
    for kernel in (_SECOND_DERIVATIVE, _SECOND_DERIVATIVE.T):
        residual_HW3 = np.abs(cv2.filter2D(image_HW3.astype(np.float32), -1, kernel))
        log_P3 = np.log([residual_HW3[i::2, j::2].mean(axis=(0, 1)) + 0.1 for i in (0, 1) for j in (0, 1)])
        parts.append((log_P3 - log_P3.mean(axis=0)).ravel())
    return np.concatenate(parts)
