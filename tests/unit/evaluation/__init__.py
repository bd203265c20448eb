"""Tests of `segmentation.evaluation`."""
