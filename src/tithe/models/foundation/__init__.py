"""Detectors on a foundation encoder: a pretrained network of images, frozen, and a head on its features."""
