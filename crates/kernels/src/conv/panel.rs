//! Weights in the order in which a tile reads them.

use std::ops::Range;

use super::ConvShape;
use super::aligned::Aligned;

/// Consecutive output channels that one tile computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// First output channel.
    pub(super) start: usize,
    /// Channels in memory: the block's own and zeros behind the last.
    pub(super) width: usize,
}

/// Weights as `[input block][output block][tap][input channel of the block][output channel of the block]`.
#[derive(Debug)]
pub(super) struct Panel {
    blocks: Vec<Block>,
    padded: usize,
    taps: usize,
    data: Aligned,
}

impl Panel {
    /// Packs `weight` `[C_out][C_in][tap]` in output blocks of these widths, which together hold `C_out` or more.
    pub(super) fn new(shape: &ConvShape, weight: &[f32], widths: &[usize], inputs: &[Range<usize>]) -> Self {
        let taps = shape.taps();
        let mut blocks = Vec::with_capacity(widths.len());
        let mut padded = 0;
        for &width in widths {
            blocks.push(Block { start: padded, width });
            padded += width;
        }
        let mut data = Aligned::zeros(taps * shape.c_in * padded);
        let mut rest = data.as_mut_slice();
        for input in inputs {
            for block in &blocks {
                for tap in 0..taps {
                    for c in input.clone() {
                        let (row, tail) = rest.split_at_mut(block.width);
                        for (o, w) in (block.start..shape.c_out).zip(row) {
                            *w = weight[(o * shape.c_in + c) * taps + tap];
                        }
                        rest = tail;
                    }
                }
            }
        }
        Self { blocks, padded, taps, data }
    }

    /// The output blocks, in order of channels.
    #[inline(always)]
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The weights `[tap][input channel][width]` of one output block and one block of input channels.
    #[inline(always)]
    pub(super) fn weights(&self, input: &Range<usize>, block: &Block) -> &[f32] {
        let start = self.taps * (input.start * self.padded + input.len() * block.start);
        &self.data[start..start + self.taps * input.len() * block.width]
    }

    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.data)
    }
}

/// Cuts `total` into the fewest parts of at most `most`, as equal as can be, the larger ones first.
pub(super) fn even_parts(total: usize, most: usize) -> impl Iterator<Item = usize> + Clone {
    let n = total.div_ceil(most).max(1);
    (0..n).map(move |i| total / n + usize::from(i < total % n))
}
