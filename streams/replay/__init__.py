"""Putting dead letters and delivered notifications back, so that nothing is sent twice by accident."""
