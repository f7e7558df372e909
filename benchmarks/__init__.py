"""Measurements: of stages (pytest-benchmark) and of memory."""
