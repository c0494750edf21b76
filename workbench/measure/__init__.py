"""Measurement: accuracies, intervals, scored completions, the gate and the skill report."""
