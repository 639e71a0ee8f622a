"""The mathematics of gates, once: noise, distributions, masks, and the ops that apply gates to an input."""
