"""The landing page at `/`, and live counts where the operator shows them."""
