"""The parts of the window. Each reads a `view.Frame` and sends requests; none knows the engine or a checkpoint."""
