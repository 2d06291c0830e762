"""What a schedule does to training, measured."""
