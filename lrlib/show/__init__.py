"""Schedules to look at: sampled, plotted, drawn, explored."""
