"""Named changes for robustness: pure functions with known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from support.pictures import picture
from tithe.errors import InputError
from tithe.imaging import degradations


@pytest.mark.parametrize("name", degradations.NAMES)
def test_each_degradation_is_a_pure_function(name: str) -> None:
    image = picture(40, 56)
    before = image.copy()
    change = degradations.by_name(name)
    first, second = change(image), change(image)
    assert first.dtype == np.uint8 and (first.shape == image.shape) == (name not in degradations.WHOLE)
    assert first.shape != image.shape or (first != before).any()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)
    assert change(picture(1, 1)).ndim == 3 and min(change(picture(1, 1)).shape) >= 1


def test_degradations_are_those_of_the_libraries() -> None:
    image = picture(40, 56)
    bgr = np.ascontiguousarray(image[..., ::-1])
    by_hand = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(degradations.NAMES["jpeg_75"](image), by_hand)
    half = cv2.resize(image, (28, 20), interpolation=cv2.INTER_CUBIC)
    by_hand = cv2.resize(half, (56, 40), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(degradations.NAMES["half_double_bicubic"](image), by_hand)


def test_worse_is_farther() -> None:
    image = picture().astype(int)

    def error(name: str) -> float:
        return float(np.sqrt(((degradations.NAMES[name](image.astype(np.uint8)) - image) ** 2).mean()))

    assert error("jpeg_90") < error("jpeg_75") < error("jpeg_60")
    assert error("blur_1") < error("blur_2")
    flat = np.full((256, 256, 3), 128, np.uint8)
    assert (degradations.NAMES["noise_5"](flat) - 128.0).std() == pytest.approx(5, abs=0.1)


def test_tones_known_answers() -> None:
    image = np.array([[[0, 128, 255], [100, 100, 100]]], np.uint8)
    assert degradations.NAMES["brightness"](image).tolist() == [[[30, 158, 255], [130, 130, 130]]]
    assert degradations.NAMES["contrast"](image).tolist() == [[[0, 128, 255], [92, 92, 92]]]
    grey = 0.587 * 128 + 0.114 * 255
    assert degradations.NAMES["saturation"](image)[0, 0].tolist() == [
        round((grey + value) / 2) for value in (0, 128, 255)
    ]
    assert degradations.NAMES["saturation"](image)[0, 1].tolist() == [100] * 3


def test_an_unknown_degradation_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"^unknown degradation 'jpg_90': did you mean 'jpeg_90'\?$"):
        degradations.by_name("jpg_90")


def test_a_picture_changes_its_size_before_it_is_cropped_and_its_codec_after() -> None:
    image = picture(96, 120)
    small = cv2.resize(image, (60, 48), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(degradations.even_crops(image, 32, 1, "resize_0.5")[0], small[8:40, 14:46])
    crop = image[32:64, 44:76]
    np.testing.assert_array_equal(degradations.even_crops(image, 32, 1, None)[0], crop)
    expected = degradations.NAMES["jpeg_75"](crop)
    np.testing.assert_array_equal(degradations.even_crops(image, 32, 1, "jpeg_75")[0], expected)
    assert degradations.even_crops(image, 32, 4, "screenshot").shape == (4, 32, 32, 3)
    assert degradations._screenshot(image).shape == (77, 96, 3)
