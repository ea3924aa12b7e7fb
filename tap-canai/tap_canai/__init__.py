"""Singer tap for the CanAI export API."""
