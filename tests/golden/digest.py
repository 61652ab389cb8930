"""A tensor in a few numbers, and how far two tensors are apart. The twin of mod.rs's `Digest`."""

import numpy as np

import formula

PROJECTIONS = 4
SAMPLES = 8


def projection_vectors(count):
    return [formula.uniform(f"projection/{k}", count) for k in range(PROJECTIONS)]


def sample_indices(count):
    return (formula.hashed("samples", SAMPLES) % np.uint64(count)).astype(np.int64)


def shortened(value, digits=10):
    return float(f"{float(value):.{digits}g}")


def digest(values, singles):
    """The digest of an f64 tensor, with the largest distance of PyTorch's own f32 results `singles` from it."""
    values = np.asarray(values, dtype=np.float64)
    flat = values.ravel()
    return {
        "shape": list(values.shape),
        "norm": shortened(np.linalg.norm(flat)),
        "projections": [shortened(vector @ flat) for vector in projection_vectors(flat.size)],
        "samples": [shortened(flat[index]) for index in sample_indices(flat.size)],
        "f32_distance": shortened(max(distance(flat, np.asarray(single, dtype=np.float64).ravel()) for single in singles), 3),
    }


def distance(expected, found):
    """The largest of the relative distances as a whole, in norm, in the projections and in the samples.

    The error's projection on a vector of independent numbers of variance 1/3 has the variance |error|^2 / 3, so each
    of the four estimates |error| / |expected|.
    """
    norm = np.linalg.norm(expected)
    if norm == 0.0:
        return 0.0 if np.all(found == 0.0) else np.inf
    error = found - expected
    projections = np.array([vector @ error for vector in projection_vectors(expected.size)])
    samples = error[sample_indices(expected.size)]
    return max(
        np.linalg.norm(error) / norm,
        abs(np.linalg.norm(found) - norm) / norm,
        np.sqrt(3.0 * np.mean(projections**2)) / norm,
        np.sqrt(np.mean(samples**2) * expected.size) / norm,
    )


def number(value, singles):
    """A single number, with the largest relative distance of PyTorch's own f32."""
    value = float(value)
    relative = max(abs(float(single) - value) for single in singles) / abs(value)
    return {"value": shortened(value, 12), "f32_distance": shortened(relative, 3)}
