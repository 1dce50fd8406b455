// Organisations at Microsoft, by their ids (Entra's tenants).

export const manyTenants = /\/(?:common|organizations|consumers)(?=\/|$)/

export const isTenantID = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

/** The address is one for people of many organisations. */
export const isForManyTenants = (providerURL: string): boolean => manyTenants.test(providerURL)
