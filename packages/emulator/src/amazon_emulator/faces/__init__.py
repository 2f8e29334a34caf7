"""What can be talked to, one module per face; each turns HTTP into looks at the world."""
