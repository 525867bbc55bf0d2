"""Choose a trained backbone: run candidates over a sample of images, and judge a cross-validated head on their features."""
