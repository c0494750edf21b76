"""Measurement: accuracies, intervals, calibration, scored completions, the gate and the skill report."""
