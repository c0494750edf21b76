"""Measurement: accuracies, intervals, calibration, scored completions, gate and skill report."""
