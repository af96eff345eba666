"""Variance of the Laplacian by scipy, for the picture in `src/sharpness.rs`; prints the number that stands there.

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1.
"""

import numpy as np
from scipy.ndimage import laplace

y, x = np.mgrid[0:11, 0:17]
luma = ((x * 37 + y * 91 + x * y * 5) % 251).astype(np.float64)
print(repr(laplace(luma, mode="mirror").var()))
