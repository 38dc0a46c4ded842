"""Whole programs, from the user's function to results and arguments afterwards."""
