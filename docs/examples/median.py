def mean(values):
    """The mean of a list of numbers."""
    return sum(values) / len(values)


def median(values):
    """The median of a list of numbers."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return
