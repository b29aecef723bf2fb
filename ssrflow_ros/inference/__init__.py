"""How the network is run: on which device, and in the quickest way that this machine has."""
