"""One plain function a verb; these files alone read the configuration."""
