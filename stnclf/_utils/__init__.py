"""Checks, files, images and progress that several packages share."""
