"""One function a verb; only these files read the configuration."""
