"""Small models of many shapes, each with example inputs: what structure, gates and compact models are tested on."""

import torch
from torch import nn
from torch.nn import functional


class MLP(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 10), nn.Tanh(), nn.Linear(10, 3))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.fc1 = nn.Linear(6 * 2 * 2, 9)
        self.fc2 = nn.Linear(9, 3)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(torch.flatten(x, 1))))


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(*_vgg_unit(3, 6), *_vgg_unit(6, 8), nn.MaxPool2d(2), *_vgg_unit(8, 8))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(32, 10), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(10, 4))

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


def _vgg_unit(inner, outer):
    return nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU(inplace=True)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inner, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inner, width, stride)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inner, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inner, 4 * width, stride)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def _shortcut(inner, outer, stride):
    if stride == 1 and inner == outer:
        return None
    return nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


class ResNet(nn.Module):
    def __init__(self, block, depths, width=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inner = width
        for stage, depth in enumerate(depths):
            layers = []
            for number in range(depth):
                outer = width * 2**stage
                layers.append(block(inner, outer, 2 if stage and not number else 1))
                inner = outer * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.stages = len(depths)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inner, 5)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class InvertedResidual(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        hidden = 2 * inner
        self.expand = nn.Sequential(nn.Conv2d(inner, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(hidden, 4, 1), nn.ReLU(), nn.Conv2d(4, hidden, 1), nn.Sigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(hidden, outer, 1, bias=False), nn.BatchNorm2d(outer))
        self.residual = stride == 1 and inner == outer

    def forward(self, x):
        out = self.depthwise(self.expand(x))
        out = self.project(out * self.squeeze(out))
        return x + out if self.residual else out


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.Hardswish())
        self.blocks = nn.Sequential(
            InvertedResidual(6, 6, 1), InvertedResidual(6, 8, 2), InvertedResidual(8, 8, 1), InvertedResidual(8, 8, 1)
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, inner, growth):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv1 = nn.Conv2d(inner, 8, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, growth, 3, padding=1, bias=False)

    def forward(self, x):
        new = self.conv2(functional.relu(self.norm2(self.conv1(functional.relu(self.norm1(x))))))
        return torch.cat([x, new], 1)


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.block1 = nn.Sequential(DenseLayer(6, 4), DenseLayer(10, 4))
        self.transition = nn.Sequential(nn.BatchNorm2d(14), nn.ReLU(), nn.Conv2d(14, 7, 1), nn.AvgPool2d(2))
        self.block2 = nn.Sequential(DenseLayer(7, 4), DenseLayer(11, 4))
        self.norm = nn.BatchNorm2d(15)
        self.classifier = nn.Linear(15, 3)

    def forward(self, x):
        x = self.block2(self.transition(self.block1(self.stem(x))))
        return self.classifier(functional.adaptive_avg_pool2d(functional.relu(self.norm(x)), 1).flatten(1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = _double(1, 4)
        self.down2 = _double(4, 6)
        self.bottom = _double(6, 8)
        self.up2 = nn.ConvTranspose2d(8, 6, 2, 2)
        self.merge2 = _double(12, 6)
        self.up1 = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(6, 4, 3, padding=1))
        self.merge1 = _double(8, 4)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(functional.max_pool2d(one, 2))
        x = self.bottom(functional.max_pool2d(two, 2))
        x = self.merge2(torch.cat([two, self.up2(x)], 1))
        return self.head(self.merge1(torch.cat([self.up1(x), one], 1)))


def _double(inner, outer):
    first = nn.Conv2d(inner, outer, 3, padding=1), nn.GroupNorm(outer // 2, outer), nn.SiLU()
    return nn.Sequential(*first, nn.Conv2d(outer, outer, 3, padding=1), nn.InstanceNorm2d(outer, affine=True), nn.ELU())


class ShuffleUnit(nn.Module):
    """ShuffleNet-V2's: half of the channels pass, the other half is transformed, and the halves are shuffled."""

    def __init__(self, width):
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        passed, changed = x.chunk(2, dim=1)
        x = torch.cat([passed, self.branch(changed)], 1)
        batch, channels, height, width = x.shape
        return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.grouped = nn.Sequential(nn.Conv2d(16, 24, 1, groups=2), nn.ChannelShuffle(2), nn.Conv2d(24, 16, 1))
        self.stage = nn.Sequential(ShuffleUnit(16), ShuffleUnit(16))
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.stage(self.grouped(self.stem(x))).mean((2, 3)))


class Attention(nn.Module):
    """Hand-written softmax attention with a fused projection, as vision transformers have it."""

    def __init__(self, width=12, heads=3):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, length, _ = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
        out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, -1)
        return x + self.proj(out)


def encoder():
    layer = nn.TransformerEncoderLayer(12, 3, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def bert():
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 16}
    return BertModel(BertConfig(**sizes, vocab_size=40, max_position_embeddings=16))


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": 12, "n_layer": 2, "n_head": 3, "vocab_size": 40, "n_positions": 16}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))


def vit():
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 16}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=8, patch_size=4, num_labels=3))


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 3}
    return LlamaForCausalLM(LlamaConfig(**sizes, head_dim=4, intermediate_size=20, vocab_size=40))


def t5():
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 12, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 3, "vocab_size": 40}
    sizes["num_decoder_layers"] = 1
    return T5ForConditionalGeneration(T5Config(**sizes, feed_forward_proj="gated-gelu", decoder_start_token_id=0))


def tokens(length=7):
    return torch.randint(0, 40, (2, length))


# Of each model what makes it, and what makes its example inputs.
CONVOLUTIONAL = {
    "lenet": (LeNet, lambda: image(2, 1, 16, 16)),
    "vgg": (VGG, lambda: image(2, 3, 8, 8)),
    "resnet18": (lambda: ResNet(BasicBlock, (2, 2, 2, 2)), lambda: image(2, 3, 16, 16)),
    "resnet50": (lambda: ResNet(Bottleneck, (3, 4, 6, 3), width=3), lambda: image(2, 3, 16, 16)),
    "mobilenet": (MobileNetV2, lambda: image(2, 3, 8, 8)),
    "densenet": (DenseNet, lambda: image(2, 3, 8, 8)),
    "unet": (UNet, lambda: image(2, 1, 8, 8)),
    "shufflenet": (ShuffleNet, lambda: image(2, 3, 8, 8)),
}
TRANSFORMERS = {
    "attention": (Attention, lambda: image(2, 5, 12)),
    "encoder": (encoder, lambda: image(2, 5, 12)),
    "bert": (bert, lambda: {"input_ids": tokens(), "attention_mask": torch.tensor([[1] * 7, [1] * 5 + [0] * 2])}),
    "gpt2": (gpt2, tokens),
    "vit": (vit, lambda: image(2, 3, 8, 8)),
    "llama": (llama, tokens),
    "t5": (t5, lambda: {"input_ids": tokens(), "decoder_input_ids": tokens(5)}),
}
ZOO = {"mlp": (MLP, lambda: image(2, 6)), **CONVOLUTIONAL, **TRANSFORMERS}


def build(name):
    """A model of the zoo in float64 and evaluation mode, its norms' statistics at random, and example inputs."""
    torch.manual_seed(0)
    make, inputs = ZOO[name]
    model = make().double().eval()
    for module in model.modules():
        if getattr(module, "running_var", None) is not None:
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
        if "Norm" in type(module).__name__ and getattr(module, "weight", None) is not None:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            if getattr(module, "bias", None) is not None:
                nn.init.uniform_(module.bias, -1, 1)
    return model, inputs()


def outputs(model, example_inputs):
    """All floating tensors that a model gives."""
    if isinstance(example_inputs, dict):
        result = model(**example_inputs)
    else:
        result = model(*example_inputs) if isinstance(example_inputs, tuple) else model(example_inputs)
    leaves = torch.utils._pytree.tree_leaves(result)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]
