"""From a latent and a timestep to what a network predicts, for one prompt: clips of AnimateDiff, and Stable Diffusion 3."""
import torch
from diffusers import MotionAdapter, SD3Transformer2DModel, StableDiffusion3Pipeline, UNetMotionModel
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

import networks


def checkpointed(network, spec):
    if spec.has("block checkpointing"):
        network.enable_gradient_checkpointing()
        network.train()  # diffusers checkpoints in training mode only; there is no dropout, so nothing else changes
    return network


def of_clips(spec):
    unet = networks.unet(spec.folder)
    adapter = MotionAdapter.from_pretrained(spec.folder / "motion_adapter")
    network = UNetMotionModel.from_unet2d(unet, adapter).requires_grad_(False)
    del unet, adapter
    network = checkpointed(networks.settled(network), spec)
    context = networks.prompt_context(spec.folder, [spec.prompt]).repeat_interleave(spec.frames, dim=0)
    return lambda latent, timestep: network(latent, timestep, context).sample


def of_stable_diffusion_3(spec):
    context, pooled = stable_diffusion_3_context(spec)
    network = SD3Transformer2DModel.from_pretrained(spec.folder / "transformer", torch_dtype=torch.float32)
    network = checkpointed(networks.settled(network.requires_grad_(False)), spec)

    def predict(latent, timestep):
        return network(latent, context, pooled, torch.tensor([float(timestep)])).sample

    return predict


@torch.no_grad()
def stable_diffusion_3_context(spec):
    """States and pooled text as the pipeline makes them without T5; the encoders are gone afterwards."""
    named = {}
    for number in ("", "_2"):
        encoder = CLIPTextModelWithProjection.from_pretrained(
            spec.folder / f"text_encoder{number}", torch_dtype=torch.float32
        )
        named |= {
            f"text_encoder{number}": encoder.eval(),
            f"tokenizer{number}": CLIPTokenizer.from_pretrained(spec.folder / f"tokenizer{number}"),
        }
    config = SD3Transformer2DModel.load_config(spec.folder / "transformer")
    with torch.device("meta"):
        # The pipeline asks the transformer for its configuration alone.
        transformer = SD3Transformer2DModel.from_config(config)
    pipeline = StableDiffusion3Pipeline(
        **named, transformer=transformer, scheduler=None, vae=None, text_encoder_3=None, tokenizer_3=None
    )
    states, _, pooled, _ = pipeline.encode_prompt(
        spec.prompt, None, None, do_classifier_free_guidance=False, device="cpu"
    )
    return states, pooled
