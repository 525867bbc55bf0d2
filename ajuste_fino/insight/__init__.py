"""What the features of a trained model tell of the data it was trained on, and of images that have no label yet."""
