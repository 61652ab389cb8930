//! Which tile is chosen, how work is cut, and the two orders of a product against each other.

use super::*;
use crate::random::Philox;

const DIRECTIONS: [ConvDirection; 3] =
    [ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient];

fn shape(n: usize, hw: usize, c: usize, k: usize) -> ConvShape {
    ConvShape { n, h: hw, w: hw, c, k, r: 3, s: 3, stride: [1; 2], padding: [1; 2], groups: 1 }
}

#[test]
fn layers_of_residual_networks_take_large_tiles() {
    for direction in DIRECTIONS {
        for (hw, channels) in [(56, 64), (28, 128), (14, 256), (7, 512)] {
            let shape = shape(32, hw, channels, channels);
            assert_eq!(faster_tile(&shape, direction), Some(Tile::Four));
        }
        let flat = ConvShape { w: 20, ..shape(32, 2, 64, 64) };
        assert_eq!(faster_tile(&flat, direction), Some(Tile::Two));
    }
}

#[test]
fn what_does_not_pay_is_left_to_plain_sums() {
    let base = shape(32, 56, 64, 64);
    let others = [
        ConvShape { stride: [2, 2], ..base },
        ConvShape { groups: 2, ..base },
        ConvShape { r: 1, padding: [0, 1], ..base },
        ConvShape { padding: [2, 1], ..base },
        ConvShape { c: 3, ..base },
        // Few channels, few tiles, tiles that are mostly outside.
        ConvShape { k: 16, ..base },
        shape(32, 4, 256, 256),
        shape(32, 5, 128, 128),
        shape(32, 1, 128, 128),
    ];
    for shape in others {
        for direction in DIRECTIONS {
            assert_eq!(faster_tile(&shape, direction), None, "{shape}");
        }
    }
    let few_tiles = shape(2, 7, 64, 64);
    assert_eq!(faster_tile(&few_tiles, ConvDirection::Forward), Some(Tile::Four));
    assert!(!Tile::Four.is_legal(&few_tiles, ConvDirection::WeightGradient));
}

#[test]
fn the_number_of_pictures_has_no_say() {
    for (hw, channels) in [(56, 64), (28, 128), (14, 256), (7, 512), (5, 128), (4, 64)] {
        for direction in [ConvDirection::Forward, ConvDirection::InputGradient] {
            let chosen = |n| faster_tile(&shape(n, hw, channels, channels), direction);
            assert!((2..=64).all(|n| chosen(n) == chosen(1)), "{hw}");
        }
    }
}

#[test]
fn blocks_cover_all_tiles_and_parts_all_pixels() {
    for n in [1, 2, 13, 32] {
        for hw in [1, 3, 5, 7, 14, 23, 28, 30, 56, 57, 224] {
            for tile in Tile::ALL {
                let tiling = Tiling::forward(tile, &shape(n, hw, 16, 16));
                let blocks = Blocks::of(&tiling);
                let mut next = 0;
                for block in 0..blocks.count {
                    let range = blocks.range(&tiling, block);
                    assert!(range.start == next && !range.is_empty(), "{n} {hw} {tile:?}");
                    if let Some(pixels) = blocks.pixels {
                        assert_eq!(tiling.pixels_before(range.start), block * pixels);
                    }
                    next = range.end;
                }
                assert_eq!(next, tiling.tiles());
                assert_eq!(tiling.pixels_before(next), n * hw * hw);
            }
        }
    }
}

#[test]
fn both_orders_of_a_product_give_the_same_bits() {
    let shape = ConvShape { w: 11, ..shape(3, 9, 20, 70) };
    let mut stream = Philox::new(5).stream([0, 0, 0]);
    let mut numbers = |len| (0..len).map(|_| stream.normal()).collect::<Vec<f32>>();
    let weights = numbers(shape.weight_len());
    for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        for direction in [ConvDirection::Forward, ConvDirection::InputGradient] {
            let winograd = Winograd::new(Tile::Four, instruction_set, &shape, direction);
            let (shared, tiling, filters) =
                (&winograd.shared, &winograd.tiling, winograd.filters());
            let source = numbers(shape.input_len().max(shape.output_len()));
            let mode = WriteMode::Write;
            let product = Product { shared, tiling, filters, source: &source, mode };
            let mut panels = vec![f32::NAN; filters.len()];
            filters.transform_all(&weights, &mut panels);
            let len = tiling.pixels_before(tiling.tiles()) * tiling.target.channels;
            let mut by_tiles = vec![f32::NAN; len];
            product.run_by_tiles(&panels, &mut by_tiles, None);
            // Passes of four tiles, the last shorter.
            let mut workspace = vec![f32::NAN; workspace_by_panels(shared, tiling, 4)];
            let mut by_panels = vec![f32::NAN; len];
            product.run_by_panels(&weights, 4, &mut workspace, &mut by_panels, None);
            assert!(by_tiles.iter().all(|value| value.is_finite()));
            assert_eq!(by_tiles, by_panels, "{instruction_set} {direction:?}");
        }
    }
}
