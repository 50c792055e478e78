"""What is published of the endpoints: OpenAPI and AsyncAPI, made of the types that speak."""
