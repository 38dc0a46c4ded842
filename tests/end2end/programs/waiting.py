"""Programs that use what is not there yet; they are not run."""

WAITING = {
    "diagonals",
    "mandelbrot2",
    "enumerated_elements",
}
