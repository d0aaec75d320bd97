"""A step of Attend-and-Excite and a step of Separate-and-Enhance, as a careful user writes them: frozen weights, fused attention
in all layers whose probabilities nobody reads, and no layers behind the last one that is read.

Reference: Chefer et al. 2023, "Attend-and-Excite"; Bao et al. 2024, "Separate-and-Enhance"; bench/runs/attention-workloads.ts is the other side.
"""
import math

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler

import networks

LARGEST_MAP = 16


class Reached(Exception):
    """All maps that are wanted have been computed."""


class Maps:
    """Probabilities of the cross-attention layers with the largest maps of at most 16 positions a side."""

    def __init__(self, unet, latent_side):
        self.side = latent_side
        while self.side > LARGEST_MAP:
            self.side //= 2
        self.reading = False
        self.kept = []
        self.count = None
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.set_processor(Probabilities(self, module.processor))

    def of(self, call):
        """The maps of one call of the network, [batch, heads, positions, tokens] each. The first call counts the layers; later ones end
        behind the last of them."""
        self.reading = True
        self.kept = []
        try:
            call()
        except Reached:
            pass
        finally:
            self.reading = False
        self.count = len(self.kept)
        return self.kept


class Probabilities:
    """The attention of a layer, fused unless its map is read."""

    def __init__(self, maps, fused):
        self.maps = maps
        self.fused = fused

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **others):
        maps = self.maps
        if not maps.reading or hidden_states.shape[1] != maps.side**2:
            return self.fused(attn, hidden_states, encoder_hidden_states, attention_mask, **others)
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states))
        probabilities = (query @ key.transpose(1, 2) * attn.scale).softmax(-1)
        maps.kept.append(probabilities.unflatten(0, (hidden_states.shape[0], attn.heads)))
        if len(maps.kept) == maps.count:
            raise Reached
        value = attn.head_to_batch_dim(attn.to_v(encoder_hidden_states))
        return attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(probabilities @ value)))


def token_shares(folder, text, words):
    """[words, tokens]: each word shares 1 among its tokens."""
    tokenizer = networks.CLIPTokenizer.from_pretrained(folder / "tokenizer")
    shares = torch.zeros(len(words), networks.MAX_TOKENS)
    at = 1
    for word in text.split():
        length = len(tokenizer(word).input_ids) - 2
        if word in words:
            shares[words.index(word), at : at + length] = 1 / length
        at += length
    return shares


def smoothed(planes):
    """Planes [many, height, width] under the published 3x3 kernel, mirrored at the edges."""
    line = torch.exp(-(torch.tensor([-1.0, 0.0, 1.0]) ** 2))
    line = line / line.sum()
    padded = F.pad(planes[:, None], (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, (line[:, None] * line)[None, None])[:, 0]


def attend_and_excite_step(spec):
    """The gradient of the loss for the prompt alone, the moved latent, and the guided prediction for it."""
    from workloads import guided, prepared_unet

    unet, context = prepared_unet(spec)
    noise = guided(unet, context, spec.guidance_scale)
    latent = spec.given["latent"]
    maps = Maps(unet, latent.shape[-1])
    shares = token_shares(spec.folder, spec.prompt, spec.words)
    text = context[1:]
    with torch.no_grad():
        maps.of(lambda: unet(latent, spec.timestep, text))

    def run():
        start = latent.clone().requires_grad_()
        layers = maps.of(lambda: unet(start, spec.timestep, text))
        mean = torch.cat([layer[0] for layer in layers]).mean(0)
        sharp = (100 * mean[:, 1:-1]).softmax(-1)
        planes = (shares[:, 1:-1] @ sharp.T).unflatten(1, (maps.side, maps.side))
        loss = (1 - smoothed(planes).amax((1, 2))).amax()
        (gradient,) = torch.autograd.grad(loss, start)
        with torch.no_grad():
            moved = latent - spec.step_size * gradient
            return {"loss": loss.detach().view(1), "gradient": gradient, "noise": noise(moved, spec.timestep)}

    return run


SEPARATE, ENHANCE, NORM = 1.0, 0.5, 0.5
RATE, DECAY, MAX_NORM = 4e-6, 0.01, 1.0


def fine_tuning_step(spec):
    """One update by Separate and Enhance and one by the regulariser, for one pair of words; keys are trained."""
    from workloads import prepared_unet

    unet, _ = prepared_unet(spec)
    trained = [weight for name, weight in sorted(unet.named_parameters()) if name.endswith("attn2.to_k.weight")]
    frozen = [weight.detach().clone() for weight in trained]
    for weight in trained:
        weight.requires_grad_()
        weight.grad = torch.zeros_like(weight)
    optimiser = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.999), weight_decay=DECAY, eps=1e-8)
    shape = spec.given["latent"].shape
    maps = Maps(unet, shape[-1])
    alphas = DDIMScheduler.from_config(DDIMScheduler.load_config(spec.folder / "scheduler")).alphas_cumprod
    scale = 0.18215
    texts = [(f"a photo of a {a} and a {b}", f"a photo of a {a}") for a, b in (spec.words, spec.words[::-1])]
    contexts = networks.prompt_context(spec.folder, [text for pair in texts for text in pair])
    shares = [token_shares(spec.folder, texts[i][0], words) for i, words in enumerate((spec.words, spec.words[::-1]))]
    with torch.no_grad():
        maps.of(lambda: unet(spec.given["latent"], 1, contexts[:1]))
    generator = torch.Generator().manual_seed(0)

    def update():
        norm = torch.nn.utils.clip_grad_norm_(trained, MAX_NORM)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        return norm

    def exchanged():
        for weight, other in zip(trained, frozen):
            weight.data, other.data = other.data, weight.data

    def run():
        # In the order of our side, from the same stream.
        torch.randint(0, 1, (1,), generator=generator)
        pair = torch.randperm(2, generator=generator)[0].item()
        clean, noise = (torch.randn(shape, generator=generator) for _ in range(2))
        timestep = torch.randint(0, 1000, (1,), generator=generator)
        alpha = alphas[timestep].item()
        latent = scale * math.sqrt(alpha) * clean + math.sqrt(1 - alpha) * noise
        text, single = contexts[2 * pair : 2 * pair + 2].split(1)

        layers = maps.of(lambda: unet(latent, timestep, text))
        objects = torch.einsum("hqt,nt->nhq", torch.stack([layer[0] for layer in layers]).mean(0), shares[pair])
        separate = (objects.prod(0) / objects.sum(0)).amax()
        planes = objects.flatten(0, 1).unflatten(1, (maps.side, maps.side))
        enhance = 1 - smoothed(planes).unflatten(0, objects.shape[:2]).amax((1, 2, 3)).amin()
        (SEPARATE * separate + ENHANCE * enhance).backward()
        norm = update()

        exchanged()
        with torch.no_grad():
            target = unet(latent, timestep, single).sample
        exchanged()
        regulariser = F.mse_loss(unet(latent, timestep, single).sample, target)
        (NORM * regulariser).backward()
        update()
        losses = {"separate": separate, "enhance": enhance, "gradientNorm": norm}
        return {name: value.detach().view(1) for name, value in losses.items()}

    return run
