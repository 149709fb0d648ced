"""Read what other trackers wrote and turn it into streams."""
