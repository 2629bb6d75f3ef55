//! Weights as PyTorch saves them: `torch.save(model.state_dict(), path)`.

mod pickle;
mod store;

pub use store::TorchStore;
