"""The learning rate inside Keras: recorded, read, cut."""
