/** The provider at the top of the configuration, which has no name of its own. */
export const defaultProvider = 'default'

/** It is part of addresses (the callback's) and of labels. */
export const isProviderName = (name: string): boolean => /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(name)
