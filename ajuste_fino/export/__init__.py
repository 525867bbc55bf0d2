"""A trained model for those who have no torch, or no ajuste_fino."""
