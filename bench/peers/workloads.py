"""The workloads of the benchmark in PyTorch. Each prepares once and returns a function; each call of that returns results by name."""
import math
from pathlib import Path

import torch
from torch.nn.functional import interpolate, normalize
from torch.utils.checkpoint import checkpoint

import attention
import networks
import predictors

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


class Spec:
    """The workload of one process. `given` are the arrays that both sides start from."""

    def __init__(self, fields, given):
        self.folder = Path(fields["folder"])
        self.prompt = fields["prompt"]
        self.guidance_scale = fields["guidanceScale"]
        self.timestep = fields["timestep"]
        self.variant = fields["variant"].split(", ")
        self.steps = fields["steps"]
        self.matrix_size = fields["matrixSize"]
        self.frames = fields["frames"]
        self.words = fields["words"]
        self.step_size = fields["stepSize"]
        self.device = torch.device(fields["device"])
        # TF32 is float32 whose products are rounded; see allow_tf32.
        self.dtype = torch.float16 if fields["precision"] == "float16" else torch.float32
        self.given = {name: tensor.to(self.device) for name, tensor in given.items()}

    def has(self, word: str) -> bool:
        return word in self.variant

    def placed(self, network):
        """On the device, in the precision of the workload."""
        return network.to(self.device, self.dtype)


def guided(unet, context, guidance_scale, batched=True):
    """Classifier-free guidance as one call over a batch of two, or as two calls."""

    def noise(latent, timestep):
        sample = latent.to(context.dtype)
        if batched:
            both = unet(torch.cat([sample, sample]), timestep, context).sample
            unconditional, conditional = both.chunk(2)
        else:
            unconditional, conditional = (unet(sample, timestep, text[None]).sample for text in context)
        return (unconditional + guidance_scale * (conditional - unconditional)).to(latent.dtype)

    return noise


def prepared_unet(spec: Spec):
    unet = spec.placed(networks.unet(spec.folder).requires_grad_(False))
    context = networks.prompt_context(spec.folder, ["", spec.prompt]).to(spec.device, spec.dtype)
    if spec.has("bfloat16"):
        unet, context = unet.to(torch.bfloat16), context.to(torch.bfloat16)
    if spec.has("block checkpointing"):
        unet.enable_gradient_checkpointing()
        unet.train()  # diffusers checkpoints in training mode only; there is no dropout, so nothing else changes
    if spec.has("compile"):
        unet = torch.compile(unet)
    return unet, context


def predictor(spec: Spec):
    """From a latent and a timestep to the prediction, whatever network the folder has; and the type that it computes in."""
    if spec.frames > 1:
        return predictors.of_clips(spec), torch.float32
    if (spec.folder / "transformer").exists():
        return predictors.of_stable_diffusion_3(spec), torch.float32
    unet, context = prepared_unet(spec)
    return guided(unet, context, spec.guidance_scale), context.dtype


def forward(spec: Spec):
    predict, dtype = predictor(spec)
    latent = spec.given["latent"].to(dtype)

    @torch.no_grad()
    def run():
        return {"prediction": predict(latent, spec.timestep)}

    return run


def pullback(spec: Spec):
    predict, dtype = predictor(spec)
    cotangent = spec.given["cotangent"].to(dtype)

    def run():
        latent = spec.given["latent"].to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(predict(latent, spec.timestep), latent, cotangent)
        return {"gradient": gradient}

    return run


def decoded(vae, latent):
    """The picture of a latent, in the latent's precision: [1, 3, height, width] in [0, 1]."""
    scaled = (latent / vae.config.scaling_factor).to(vae.dtype)
    return (vae.decode(scaled).sample.to(latent.dtype) * 0.5 + 0.5).clamp(0, 1)


def distance_of(vae, clip, text):
    """DOODL's loss of a latent: the image, resized for CLIP, and the spherical distance to the text."""
    mean, deviation = (values.to(text.device) for values in (MEAN, DEVIATION))

    def distance(latent):
        planes = decoded(vae, latent)
        side = clip.config.vision_config.image_size
        seen = interpolate(planes, (side, side), mode="bicubic", antialias=True)
        pooled = clip.vision_model(((seen - mean) / deviation).to(clip.dtype)).pooler_output
        embedding = normalize(clip.visual_projection(pooled).to(latent.dtype), dim=-1)
        return 2 * torch.asin((embedding - text).norm(dim=-1) / 2).square().sum()

    return distance


def prepared_distance(spec: Spec, frozen=True):
    vae = spec.placed(networks.decoder(spec.folder).requires_grad_(not frozen))
    text = networks.text_embedding(spec.folder, spec.prompt).to(spec.device)
    clip = spec.placed(networks.image_tower(spec.folder).requires_grad_(not frozen))
    if spec.has("block checkpointing"):
        vae.enable_gradient_checkpointing()
        vae.train()
    return distance_of(vae, clip, text)


def objective(spec: Spec):
    distance = prepared_distance(spec)

    def run():
        latent = spec.given["latent"].clone().requires_grad_()
        loss = distance(latent)
        (gradient,) = torch.autograd.grad(loss, latent)
        return {"gradient": gradient, "loss": loss.detach().view(1)}

    return run


def transitions(steps: int):
    """(timestep, A, B) of DDIM on Stable Diffusion's schedule: z' = A z + B noise. Timesteps begin at 1, alpha ends at the first."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = (1 - betas).cumprod(0)
    jump = 1000 // steps
    for timestep in reversed(range(1, jump * steps + 1, jump)):
        before, after = alphas[timestep].item(), alphas[max(timestep - jump, 0)].item()
        scale = math.sqrt(after / before)
        yield timestep, scale, math.sqrt(1 - after) - scale * math.sqrt(1 - before)


def kept(layer, *inputs):
    """Checkpoints a layer: its inputs are kept, and the backward pass runs it again."""
    return checkpoint(layer, *inputs, use_reentrant=False)


def doodl_as_published(noise, start, steps):
    """EDICT's pair. A step and a mixing are a checkpointed layer each, whose calls are all run again together."""

    def denoise(timestep, scale, weight, odd):
        def layer(x, y):
            pair = [x, y]
            for target in (1, 0) if odd else (0, 1):
                pair[target] = scale * pair[target] + weight * noise(pair[1 - target], timestep)
            return pair[0], pair[1]

        return layer

    pair = (start, start.clone())
    for step, (timestep, scale, weight) in enumerate(transitions(steps)):
        pair = kept(denoise(timestep, scale, weight, step % 2 == 1), *pair)
        pair = kept(mix, *pair)
    return pair


def mix(x, y, p=0.93):
    x = p * x + (1 - p) * y
    return x, p * y + (1 - p) * x


def careful_edict(noise, start, steps):
    """The same results; each call of the network is checkpointed by itself."""
    pair = [start, start]
    for step, (timestep, scale, weight) in enumerate(transitions(steps)):
        for target in (1, 0) if step % 2 == 1 else (0, 1):
            pair[target] = scale * pair[target] + weight * kept(noise, pair[1 - target], timestep)
        pair = list(mix(*pair))
    return pair


def careful_ddim(noise, start, steps):
    latent = start
    for timestep, scale, weight in transitions(steps):
        latent = scale * latent + weight * kept(noise, latent, timestep)
    return (latent,)


CHAINS = {"edict": careful_edict, "ddim": careful_ddim}


def iteration(spec: Spec):
    """The loss of the noise, and its gradient with respect to the noise."""
    if spec.has("as published"):
        unet = spec.placed(networks.unet(spec.folder).requires_grad_(True))
        context = networks.prompt_context(spec.folder, ["", spec.prompt]).to(spec.device, spec.dtype)
        noise = guided(unet, context, spec.guidance_scale, batched=False)
        distance = prepared_distance(spec, frozen=False)
        chain = doodl_as_published
    else:
        unet, context = prepared_unet(spec)
        noise = guided(unet, context, spec.guidance_scale)
        distance = prepared_distance(spec)
        chain = next(CHAINS[name] for name in CHAINS if spec.has(name))

    def run():
        start = spec.given["latent"].clone().requires_grad_()
        finals = chain(noise, start, spec.steps)
        loss = sum(distance(final) for final in finals)
        loss.backward()
        return {"gradient": start.grad, "final": finals[0].detach(), "loss": loss.detach().view(1) / len(finals)}

    return run


def picture(spec: Spec):
    """Plain sampling and the decoder."""
    unet, context = prepared_unet(spec)
    noise = guided(unet, context, spec.guidance_scale)
    vae = spec.placed(networks.decoder(spec.folder))

    @torch.no_grad()
    def run():
        (latent,) = careful_ddim(noise, spec.given["latent"], spec.steps)
        return {"picture": decoded(vae, latent)}

    return run


def allow_tf32(precision: str):
    """PyTorch's own switches. In float16 whatever stays float32 may be rounded too."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True


def matmul(spec: Spec):
    left, right = torch.rand(2, spec.matrix_size, spec.matrix_size)

    def run():
        return {"product": torch.mm(left, right)[0]}

    return run


WORKLOADS = {
    "forward": forward,
    "pullback": pullback,
    "attend-and-excite step": attention.attend_and_excite_step,
    "fine-tuning step": attention.fine_tuning_step,
    "objective": objective,
    "iteration": iteration,
    "picture": picture,
    "matmul": matmul,
}
