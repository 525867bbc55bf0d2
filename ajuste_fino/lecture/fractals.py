"""Images from formulas alone: fractals of random iterated function systems over noise, with their systems as labels.

Source: Anderson and Farrell, "Improving Fractal Pre-training", WACV 2022, sections 3.1 to 3.3.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, generator: torch.Generator) -> Tensor:
    return torch.rand(*shape, generator=generator) * (high - low) + low


def rotation(angle: Tensor) -> Tensor:
    """(…) radians → (…, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def singular_values(maps: int, generator: torch.Generator) -> Tensor:
    """(maps, 2) values below 1, so that every map contracts, with Σ(σ₁ + 2σ₂) drawn from the paper's band.

    The band, (5 + N)/2 to (6 + N)/2 for N maps, holds the systems that are neither dust nor filled blobs. Proposals are
    drawn until one falls into it.
    """
    low, high = (5 + maps) / 2, (6 + maps) / 2
    while True:
        sigma = uniform(4096, maps, 2, generator=generator).sort(dim=-1, descending=True).values
        factor = sigma[..., 0].sum(-1) + 2 * sigma[..., 1].sum(-1)
        hit = ((factor > low) & (factor < high) & (sigma.amax((-1, -2)) < 0.98)).nonzero()
        if len(hit):
            return sigma[hit[0, 0]]


def sample_system(generator: torch.Generator, slots: int = 8) -> tuple[Tensor, Tensor]:
    """One system of 2 to `slots` maps x → A x + b: (slots, 2, 3) maps and (slots,) probabilities ∝ |det A|."""
    maps = int(torch.randint(2, slots + 1, (1,), generator=generator))
    sigma = singular_values(maps, generator)
    angle = uniform(2, maps, low=-math.pi, high=math.pi, generator=generator)
    sign = torch.randint(0, 2, (maps, 1, 2), generator=generator) * 2.0 - 1
    linear = rotation(angle[0]) @ torch.diag_embed(sigma) @ rotation(angle[1]) * sign
    shift = uniform(maps, 2, 1, low=-1, high=1, generator=generator)
    weight = torch.zeros(slots)
    weight[:maps] = linear.det().abs().clamp(min=1e-2)
    system = torch.zeros(slots, 2, 3)
    system[:maps] = torch.cat([linear, shift], -1)
    return system, weight / weight.sum()


def jitter(system: Tensor, variants: int, generator: torch.Generator, amount: float = 0.1) -> Tensor:
    """(slots, 2, 3) → (variants, slots, 2, 3): each map's translation and turn varied a little, so that a class has a width."""
    out = system.repeat(variants, 1, 1, 1)
    turn = rotation(uniform(variants, len(system), low=-amount, high=amount, generator=generator))
    out[..., :2] = turn @ out[..., :2]
    out[..., 2] += uniform(*out[..., 2].shape, low=-amount, high=amount, generator=generator)
    return out


def chaos_game(
    systems: Tensor, probabilities: Tensor, size: int, generator: torch.Generator, points: int = 400, steps: int = 100
) -> Tensor:
    """(B, slots, 2, 3), (B, slots) → (B, size, size) density in [0, 1]: `points` walkers, each plotted after a burn-in.

    The frame is each fractal's own bounding box; the density is the logarithm of the visits, as a photograph's exposure.
    """
    rows = torch.arange(len(systems))[:, None]
    at = torch.zeros(len(systems), points, 2)
    trail = []
    for step in range(steps):
        which = torch.multinomial(probabilities, points, replacement=True, generator=generator)
        chosen = systems[rows, which]
        at = (chosen[..., :2] @ at[..., None])[..., 0] + chosen[..., 2]
        if step >= 20:
            trail.append(at)
    path = torch.cat(trail, 1)
    low, high = path.amin(1, keepdim=True), path.amax(1, keepdim=True)
    side = (high - low).amax(-1, keepdim=True).clamp(min=1e-6)
    cell = (((path - (low + high) / 2) / side + 0.5) * (size - 1)).round().long()
    visits = torch.zeros(len(systems), size * size)
    visits.scatter_add_(1, (cell[..., 1] * size + cell[..., 0]).clamp(0, size * size - 1), torch.ones(path.shape[:2]))
    exposure = visits.log1p()
    return (exposure / exposure.amax(1, keepdim=True)).reshape(-1, size, size)


def render_masks(systems: int, variants: int, size: int, generator: torch.Generator) -> Tensor:
    """(systems, variants, 1, size, size) uint8: the pool that `scenes` varies on the fly."""
    pool = torch.empty(systems, variants, 1, size, size, dtype=torch.uint8)
    for n in range(systems):
        maps, weight = sample_system(generator)
        density = chaos_game(jitter(maps, variants, generator), weight.expand(variants, -1), size, generator)
        pool[n, :, 0] = (density * 255).round()
    return pool


def noise(batch: int, channels: int, size: int, generator: torch.Generator) -> Tensor:
    """(B, C, size, size) in [0, 1]: octaves of random grids, each image with its own roughness."""
    total = torch.zeros(batch, channels, size, size)
    for cells in (2, 4, 8, 16, 32):
        grid = torch.rand(batch, channels, cells, cells, generator=generator) - 0.5
        strength = 1.5 / cells**0.5 * torch.rand(batch, 1, 1, 1, generator=generator) ** 2
        total += interpolate(grid, size=(size, size), mode="bilinear", align_corners=False) * strength
    return total + torch.rand(batch, channels, 1, 1, generator=generator)


def warp(masks: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(B, 1, m, m) → (B, 1, size, size): each turned, scaled, sheared and moved at random."""
    count = len(masks)
    scale = 1 / uniform(count, 2, low=0.6, high=1.3, generator=generator)
    scale[:, 1] = scale[:, 0] * uniform(count, low=0.7, high=1.4, generator=generator)
    turn = rotation(uniform(count, low=-math.pi / 6, high=math.pi / 6, generator=generator))
    move = uniform(count, 2, 1, low=-0.3, high=0.3, generator=generator)
    linear = scale[:, :, None] * turn
    theta = torch.cat([linear, -linear @ move], -1)
    return grid_sample(masks, affine_grid(theta, [count, 1, size, size], align_corners=False), align_corners=False)


def paint(canvas: Tensor, alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Lay fractals of random colour over a canvas: (B, 3, s, s), density (B, 1, s, s) → (B, 3, s, s)."""
    batch = len(canvas)
    sparse, dense = torch.rand(2, batch, 3, 1, 1, generator=generator)
    opacity = (alpha * uniform(batch, 1, 1, 1, low=1.5, high=4, generator=generator)).clamp(max=1)
    return canvas + (sparse + (dense - sparse) * alpha - canvas) * opacity


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mix each image with its 3×3 mean, half of them not at all: soft and sharp images alike."""
    amount = uniform(len(images), 1, 1, 1, low=-1, high=1, generator=generator).clamp(min=0)
    return images.lerp(avg_pool2d(images, 3, 1, 1, count_include_pad=False), amount)


def scenes(pool: Tensor, batch: int, size: int, generator: torch.Generator, most: int = 3) -> tuple[Tensor, Tensor]:
    """(B, 3, size, size) images in [0, 1] and (B, systems) multi-hot labels: 1 to `most` fractals over noise."""
    systems, variants = pool.shape[:2]
    images = noise(batch, 3, size, generator)
    labels = torch.zeros(batch, systems)
    count = torch.randint(1, most + 1, (batch,), generator=generator)
    for layer in range(most):
        on = (layer < count).nonzero()[:, 0]
        system = torch.randint(systems, (len(on),), generator=generator)
        variant = torch.randint(variants, (len(on),), generator=generator)
        alpha = warp(pool[system, variant].float() / 255, size, generator)
        images[on] = paint(images[on], alpha, generator)
        labels[on, system] = 1
    return blur(images, generator).clamp(0, 1), labels
