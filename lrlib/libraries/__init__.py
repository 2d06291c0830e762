"""Schedules in Keras and in other libraries: written and read."""
