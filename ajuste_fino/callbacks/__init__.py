"""What Lightning is asked to do around the steps."""
