//! Which pixels a product reads and writes: strided grids over pictures.

/// Where the pixels of pictures lie, in elements.
#[derive(Debug, Clone, Copy)]
pub(in crate::cpu) struct Grid {
    /// Where the first pixel begins.
    pub offset: usize,
    /// From a picture to the next, a row to the next, a pixel to the next.
    pub strides: [usize; 3],
}

impl Grid {
    /// `[_, rows, columns, channels]` pictures.
    pub fn dense(rows: usize, columns: usize, channels: usize) -> Grid {
        Grid { offset: 0, strides: [rows * columns * channels, columns * channels, channels] }
    }

    fn at(&self, pixel: Pixel) -> usize {
        let [picture, row, column] = self.strides;
        self.offset + pixel.picture * picture + pixel.row * row + pixel.column * column
    }
}

/// A grid of output pixels, each of which reads a source pixel at every tap.
#[derive(Debug, Clone)]
pub(in crate::cpu) struct Window {
    /// Pictures, and rows and columns of output pixels.
    pub pictures: usize,
    pub size: [usize; 2],
    /// Source rows and columns from an output pixel to the next.
    pub step: [usize; 2],
    /// Source pixel of output pixel (0, 0) for each tap; what is outside the source counts as zero.
    pub taps: Vec<[isize; 2]>,
    /// Rows and columns of the source, and where they lie.
    pub source_size: [usize; 2],
    pub source: Grid,
}

/// An output pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixel {
    picture: usize,
    row: usize,
    column: usize,
}

impl Window {
    /// The rows of a `[rows, columns]` matrix, one tap.
    pub fn matrix(rows: usize, columns: usize) -> Window {
        Window {
            pictures: 1,
            size: [rows, 1],
            step: [1, 1],
            taps: vec![[0, 0]],
            source_size: [rows, 1],
            source: Grid::dense(rows, 1, columns),
        }
    }

    /// Output pixels over all pictures.
    pub fn pixels(&self) -> usize {
        self.pictures * self.size[0] * self.size[1]
    }

    pub(super) fn pixel(&self, index: usize) -> Pixel {
        let [rows, columns] = self.size;
        Pixel {
            picture: index / (rows * columns),
            row: index / columns % rows,
            column: index % columns,
        }
    }

    pub(super) fn next(&self, pixel: Pixel) -> Pixel {
        let Pixel { picture, row, column } = pixel;
        if column + 1 < self.size[1] {
            Pixel { column: column + 1, ..pixel }
        } else if row + 1 < self.size[0] {
            Pixel { picture, row: row + 1, column: 0 }
        } else {
            Pixel { picture: picture + 1, row: 0, column: 0 }
        }
    }

    /// Index of the source element that `pixel` reads first at `tap`; `None` outside the picture.
    #[inline]
    pub(super) fn read(&self, pixel: Pixel, tap: [isize; 2]) -> Option<usize> {
        // Negative positions wrap around to huge ones, so one comparison finds both ends.
        let row = (pixel.row * self.step[0]).wrapping_add_signed(tap[0]);
        let column = (pixel.column * self.step[1]).wrapping_add_signed(tap[1]);
        let inside = row < self.source_size[0] && column < self.source_size[1];
        inside.then(|| self.source.at(Pixel { row, column, ..pixel }))
    }
}

/// Index of the target element that `pixel` writes first.
pub(super) fn write(target: &Grid, pixel: Pixel) -> usize {
    target.at(pixel)
}
