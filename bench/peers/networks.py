"""The networks of a diffusers folder, as a PyTorch user loads them: float32, evaluation mode."""
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

MAX_TOKENS = 77


def settled(network):
    """Copies the weights out of the mapped file: unaligned ones would be slow, which is not what is compared."""
    for parameter in network.parameters():
        parameter.data = parameter.data.clone()
    return network.eval()


def unet(folder: Path):
    return settled(UNet2DConditionModel.from_pretrained(folder / "unet"))


def decoder(folder: Path):
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    vae.encoder = vae.quant_conv = None
    return settled(vae)


def image_tower(folder: Path):
    clip = CLIPModel.from_pretrained(folder / "clip")
    clip.text_model = clip.text_projection = None
    return settled(clip)


def token_ids(folder: Path, prompt: str):
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return tokenizer(prompt, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")


@torch.no_grad()
def prompt_context(folder: Path, prompts: list[str]):
    """[prompts, tokens, width]; the encoder is gone afterwards."""
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
    return torch.cat([encoder(token_ids(folder, prompt).input_ids).last_hidden_state for prompt in prompts])


@torch.no_grad()
def text_embedding(folder: Path, prompt: str):
    """CLIP's unit vector of the prompt, [1, dimension]."""
    clip = CLIPModel.from_pretrained(folder / "clip").eval()
    states = clip.text_model(token_ids(folder, prompt).input_ids).pooler_output
    return torch.nn.functional.normalize(clip.text_projection(states), dim=-1)
