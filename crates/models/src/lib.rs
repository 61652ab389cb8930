//! ResNet and ResNeXt with layer groups and ImageNet weight import
