"""Programs that use what is not there yet; they are not run."""

WAITING = {
    "diagonals",
    "kmeans_masks",
    "mandelbrot2",
    "any_all",
    "enumerated_elements",
    "balanced",
}
