//! Weights in the order in which a tile reads them.

use std::ops::Range;

use super::ConvShape;
use crate::Buffer;

/// Consecutive output channels that one tile computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// First output channel.
    pub(super) start: usize,
    /// Channels that a tile computes: the block's own and zeros behind the last.
    pub(super) width: usize,
    /// Blocks before it.
    pub(super) number: usize,
}

/// The order in which the products of one output are added, within a block of input channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumOrder {
    /// `[kd][kh][kw][input channel]`.
    ChannelsLast,
    /// `[kd][input channel][kw][kh]`: a tile of several rows reads an input row once for all taps along height.
    RowsLast,
}

/// Weights as `[input block][output block][step in the order of the sums][output channel of the block]`.
#[derive(Debug)]
pub(super) struct Panel {
    blocks: Vec<Block>,
    stride: usize,
    taps: usize,
    data: Buffer<f32>,
}

impl Panel {
    /// Packs `weight` `[C_out][C_in][tap]` in output blocks of these widths, which together hold `C_out` or more.
    pub(super) fn new(
        shape: &ConvShape,
        order: SumOrder,
        weight: &[f32],
        widths: &[usize],
        inputs: &[Range<usize>],
    ) -> Self {
        let taps = shape.taps();
        let [kd, kh, kw] = shape.kernel;
        let mut blocks = Vec::with_capacity(widths.len());
        let mut start = 0;
        for (number, &width) in widths.iter().enumerate() {
            blocks.push(Block { start, width, number });
            start += width;
        }
        let stride = widths.iter().copied().max().unwrap_or(0);
        let mut data = Buffer::zeros(taps * shape.c_in * blocks.len() * stride);
        let mut rest = &mut data[..];
        for input in inputs {
            for block in &blocks {
                let n = input.len();
                let steps = (0..kd * kh * kw * n).map(|step| match order {
                    SumOrder::ChannelsLast => (input.start + step % n, step / n),
                    SumOrder::RowsLast => {
                        let (j, k, c) = (step % kh, step / kh % kw, step / (kh * kw) % n);
                        (input.start + c, (step / (kh * kw * n) * kh + j) * kw + k)
                    }
                });
                for (c, tap) in steps {
                    let (row, tail) = rest.split_at_mut(stride);
                    for (o, w) in (block.start..shape.c_out.min(block.start + block.width)).zip(row) {
                        *w = weight[(o * shape.c_in + c) * taps + tap];
                    }
                    rest = tail;
                }
            }
        }
        Self { blocks, stride, taps, data }
    }

    /// The output blocks, in order of channels.
    #[inline(always)]
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Floats of one tap and input channel: the width of the widest block.
    #[inline(always)]
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// The weights `[step][stride]` of one output block and one block of input channels.
    #[inline(always)]
    pub(super) fn weights(&self, input: &Range<usize>, block: &Block) -> &[f32] {
        let start = self.taps * self.stride * (input.start * self.blocks.len() + input.len() * block.number);
        &self.data[start..start + self.taps * input.len() * self.stride]
    }

    /// Bytes of the weights.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.data)
    }
}

/// Cuts `total` into the fewest parts of at most `most`, as equal as can be, the larger ones first.
pub(crate) fn even_parts(total: usize, most: usize) -> impl Iterator<Item = usize> + Clone {
    let n = total.div_ceil(most).max(1);
    (0..n).map(move |i| total / n + usize::from(i < total % n))
}
