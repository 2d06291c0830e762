"""What a schedule is, and all of them."""
