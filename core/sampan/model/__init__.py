"""Values the rooms exchange: frozen, typed, without behaviour that touches the system."""
