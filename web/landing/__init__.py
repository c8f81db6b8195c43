"""What everybody sees who comes to the server's address: `/`, and live counts where the operator shows them."""
