//! Tensors on hand-written kernels: convolution, batch norm, matmul and what training needs
